#!/bin/bash
# Builds what fetch.sh unpacked, in its directory: build.sh NAME DIRECTORY. CC and CXX are the compilers, words and all.
# The output goes to build.log there. What an earlier compiler made is made again.
set -eu -o pipefail
name=$1
cd "$2"
export CC CXX
jobs=${JOBS:-$(nproc)}

memcached() {
    ./configure --disable-docs
    make clean
    # Its tests run memcached-debug. The profile that this would keep is counted by all threads without a lock.
    make -j "$jobs" memcached_debug_CFLAGS=-DMEMCACHED_DEBUG memcached memcached-debug sizes testapp timedrun
}

# Its own allocator has no place in a recording: allocation is castor's.
redis() {
    local programs=(redis-server redis-cli redis-benchmark)
    make -C src distclean
    make -C src -j "$jobs" MALLOC=libc CC="$CC" CXX="$CXX" "${programs[@]}"
}

nginx() {
    rm -rf objs
    ./configure --prefix=. --with-cc="$CC" --with-threads --with-http_stub_status_module --error-log-path=stderr
    make -j "$jobs"
}

# db_bench takes the place of a server: threads that read and write at once.
leveldb() {
    rm -rf build
    cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DLEVELDB_BUILD_TESTS=ON -DLEVELDB_BUILD_BENCHMARKS=ON
    cmake --build build -j "$jobs" --target db_bench leveldbutil db_test skiplist_test
}

# It is older than C++11, where "%"PRIuMAX became another thing: an error to clang, a warning to gcc.
pbzip2() { CXXFLAGS='-O2 -Wno-reserved-user-defined-literal' make -B CXX="$CXX" pbzip2; }

case $name in
memcached) programs=(memcached memcached-debug testapp) ;;
redis) programs=(src/redis-server src/redis-cli src/redis-benchmark) ;;
nginx) programs=(objs/nginx) ;;
leveldb) programs=(build/db_bench build/leveldbutil build/db_test build/skiplist_test) ;;
pbzip2) programs=(pbzip2) ;;
*) echo "packages: no package '$name'" >&2; exit 64 ;;
esac

# Not as the condition of an if: that would let the function go on after an error.
trap '[[ $? == 0 ]] || { tail -n 20 build.log >&2; echo "packages: $name does not build: $PWD/build.log" >&2; }' EXIT
"$name" >build.log 2>&1
for program in "${programs[@]}"; do test -x "$program" || { echo "no $program" >>build.log; exit 1; }; done
touch built

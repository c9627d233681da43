#!/bin/bash
# Unpacks the source of a Debian package: fetch.sh NAME DIRECTORY APT. It comes from where the machine's own packages
# come from; lists and cache lie in the directory APT, so the machine's own stay as they are.
set -eu -o pipefail
name=$1 directory=$2
mkdir -p "$3"
apt=$(realpath "$3")

say() { printf 'packages: %s\n' "$*" >&2; }

# private_apt get|cache WORDS...
private_apt() {
    local tool=$1
    shift
    "apt-$tool" -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/sources.d" \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User= \
        -o APT::Get::List-Cleanup=false "$@"
}

# Both formats in which apt can be told of its sources.
derive_sources() {
    mkdir -p "$apt"/{sources.d,lists/partial,cache/archives/partial}
    local file
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
        [[ -r $file ]] || continue
        case $file in
        *.list) sed -n 's/^deb\(-src\)\? /deb-src /p' "$file" >"$apt/sources.d/$(basename "$file")" ;;
        *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/sources.d/$(basename "$file")" ;;
        esac
    done
}

if [[ ! -e $apt/ready ]]; then
    derive_sources
    # One source that has no sources must not keep the others from being read.
    private_apt get update >"$apt/update.log" 2>&1 || say "not every list was read: $apt/update.log"
    touch "$apt/ready"
fi

rm -rf "$directory" "$apt/$name"
mkdir -p "$apt/$name" "$(dirname "$directory")"
# A list can be ahead of what its mirror has: the newest version that is there is taken.
fetch() {
    local version
    for version in $(private_apt cache showsrc --only-source "$name" | sed -n 's/^Version: //p' | sort -Vru); do
        rm -f "$apt/$name"/*
        (cd "$apt/$name" && private_apt get source --download-only "$name=$version") && return
        say "$name $version is not to be had"
    done
    return 1
}
if ! fetch >"$apt/$name.log" 2>&1; then
    rm -f "$apt/ready"
    tail -n 5 "$apt/$name.log" >&2
    say "cannot fetch the source of $name"
    exit 1
fi
dpkg-source --no-check -x "$apt/$name"/*.dsc "$directory" >>"$apt/$name.log"
touch "$directory/fetched"

# Processes beside each other.
seq 40 | xargs -P 4 -n 3 sh -c 'echo $(($1 + 1))' x | sort -n | tail -2
seq 12 | xargs -P 4 -I{} sh -c 'exit $(({} % 2))'; echo $?
mkdir d; for i in 1 2 3 4 5; do seq $i 200 > d/$i; done
find d -type f -exec wc -c {} \; | sort; find d -type f -exec wc -l {} + | tail -1
find d -type f -print0 | xargs -0 -P 3 -n 1 md5sum | sort
exit 5

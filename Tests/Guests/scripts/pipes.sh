# What any POSIX shell does: pipelines, here-documents, traps, background jobs, wait.
seq 1000 | awk '{s += $1} END {print s}' | tr 0-9 a-j
cat <<A | sort | uniq -c | sort -rn | head -3
pear
apple
pear
$(echo plum; echo pear)
A
trap 'echo trapped' USR1
trap 'echo leaving $?' EXIT
kill -USR1 $$
for i in 1 2 3 4; do (sleep 0.0$i; exit $i) & pids="${pids-} $!"; done
for p in $pids; do wait $p; echo "ended $?"; done
sleep 5 & kill -TERM $!; wait $!; echo "killed $?"
(echo out; echo err >&2) 2>&1 | cat
x=$(for i in a b c; do echo $i | tr a-c x-z; done); echo $x
echo one > file; echo two >> file; cat < file; rm file
(trap 'echo inner; exit 7' TERM; sleep 0.3 & wait) & sleep 0.1; kill -TERM $!; wait $!; echo "sub $?"
false | true; echo $?
exit 5

# What only bash does.
set -o pipefail
shopt -s lastpipe
diff <(seq 5) <(seq 2 6)
echo hello | read word; echo $word
coproc CAT { cat; }
pid=$CAT_PID
echo through >&${CAT[1]}; read -r line <&${CAT[0]}; echo "$line"; eval "exec ${CAT[1]}>&-"; wait $pid; echo $?
mapfile -t lines < <(printf '%s\n' a b c); echo ${#lines[@]} ${lines[2]}
false | true; echo $?
for i in {1..20}; do echo $i & done | sort -n | tail -1; wait
echo $RANDOM $BASHPID $SECONDS $EPOCHREALTIME
cat <<< "here"
(exit 3) & wait -n; echo $?
timeout 0.2 sleep 5; echo $?
exec 3<>file; echo abc >&3; exec 3>&-; cat file
time true
exit 5

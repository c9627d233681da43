# Programs that map object files as data, beyond their ends too: a link with intermediate files that are gone, readers of
# object files that are cut off by a closed pipe.
echo "process $$ at $(date +%s.%N)"
cat > part.c <<'END'
int seven(void) { return 7; }
END
cat > prog.c <<'END'
int seven(void);
int main(void) { return seven(); }
END
gcc -c -flto -O1 part.c && gcc -flto -O1 -o prog prog.c part.o && ./prog
echo "prog: $?"
nm part.o
nm -D /bin/true | head -2
objdump -d /bin/true | head -5
readelf -h part.o | head -3
ar rc libpart.a part.o && ar t libpart.a && ranlib libpart.a && strip -o stripped prog && size prog | tail -1
exit 5

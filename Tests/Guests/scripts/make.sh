# A parallel build. The program stays: a replay runs it again.
for i in 1 2 3 4 5 6 7 8; do printf '#include <stdio.h>\nint f%d(int x) { printf("%d"); return x + %d; }\n' $i $i $i > f$i.c; done
echo 'int f1(int); int main(void) { return f1(2); }' > main.c
cat > Makefile <<'A'
OBJECTS = $(patsubst %,f%.o,1 2 3 4 5 6 7 8) main.o
prog: $(OBJECTS) ; gcc -o $@ $(OBJECTS)
%.o: %.c ; gcc -O2 -c -o $@ $<
A
make -j4; ./prog; echo " $?"; make -j4
rm -f *.c *.o Makefile
exit 5

"""Writes MEGABYTES of mixed data to standard output: text, log lines, numbers, zeros, and noise that does not compress.
The seed is fixed, so every run and every machine compresses the same bytes."""
import random
import struct
import sys

BLOCK = 1 << 16
MEGABYTE = 1_000_000


def main():
    remaining = int(sys.argv[1]) * MEGABYTE
    source = random.Random(20240117)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(source.choices(letters, range(26, 0, -1), k=source.randint(2, 9))) for _ in range(5000)]

    def text():
        return " ".join(source.choices(words, k=BLOCK // 4)).encode()

    def lines():
        start = source.randrange(1 << 30)
        return "".join(
            f"{start + i * 7} INFO request id={source.randrange(1 << 24):06x} path=/{words[i % 50]} status=200\n"
            for i in range(BLOCK // 56)
        ).encode()

    def numbers():
        value, values = 0, []
        for step in source.choices(range(-100, 100), k=BLOCK // 4):
            value += step
            values.append(value)
        return struct.pack(f"<{len(values)}i", *values)

    def zeros():
        return bytes(BLOCK)

    def noise():
        return source.randbytes(BLOCK)

    kinds = [text, text, lines, lines, numbers, zeros, noise, noise]
    while remaining > 0:
        block = source.choice(kinds)()[: min(BLOCK, remaining)]
        sys.stdout.buffer.write(block)
        remaining -= len(block)


main()

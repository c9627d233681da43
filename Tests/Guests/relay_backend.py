"""What relay_server.c asks: relay_backend.py ADDRESS PORT.

A line "ID WORD" is answered by "ID COUNT SUM": lines so far and the sum of their numbers. One that is asked again, over any connection,
gets the same answer and counts once."""
import socketserver
import sys

state = {"id": None, "count": 0, "sum": 0}


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            number, word = line.decode().split()
            if number != state["id"]:
                state["id"] = number
                state["count"] += 1
                state["sum"] += int(word) if word.isdigit() else 0
            self.wfile.write(f"{number} {state['count']} {state['sum']}\n".encode())


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


with Server((sys.argv[1], int(sys.argv[2])), Handler) as server:
    print("ready", flush=True)
    server.serve_forever()

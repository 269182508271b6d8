"""Nodes on one machine, for benches: network and host name namespaces that a switch joins by links of one rate and delay.

Needs root, ip and tc (iproute2; tc's token bucket). mpirun enters a node where it would call ssh. Ranks of a node talk
through shared memory, those of several through their nodes' links; what leaves a node is read from the kernel's counters.
"""

import collections
import contextlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile

NETWORK = "10.79.1"
BACKLOG_MS = 400  # that a link holds back before it drops any
CONGESTION_CONTROL = "reno"  # bbr, some kernels' default, takes pauses between rounds for a slower link
WARM_UP = 2  # steps
SWITCH = pathlib.Path(__file__).parent / "delaying_switch.py"


Step = collections.namedtuple("Step", "seconds exposed loss")


def vit_ti(world, batch):
    """Settings of a run of one lane a rank, of so many images."""
    return {
        "run.lanes": world, "run.threads": 1, "data.train": f"synthetic:{4 * world * batch},1000,224",
        "data.global_batch_size": world * batch, "model.name": "vit_ti16", "model.classes": 1000, "optimizer.name": "adamw",
        "checkpoint.every": "0st", "sharding.bucket_mib": 2,
    }  # fmt: skip


def sh(line):
    subprocess.run(shlex.split(line), check=True)


class Nodes:
    """As a context: the nodes are there."""

    def __init__(self, count, mbit, delay_ms=0.0):
        self.names = [f"vn{os.getpid()}n{number}" for number in range(count)]
        self.switch = f"vn{os.getpid()}s"
        self.delay_ms = delay_ms
        self.shape = f"tbf rate {mbit}mbit burst 128kb latency {BACKLOG_MS}ms"

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            for name in [self.switch, *self.names]:
                sh(f"ip netns add {name}")
                undo.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
                sh(f"ip -n {name} link set lo up")
            for number, name in enumerate(self.names):
                sh(f"ip link add eth0 netns {name} type veth peer name port{number} netns {self.switch}")
                sh(f"ip -n {self.switch} link set port{number} up")
                sh(f"ip -n {name} address add {self.address(number)}/24 dev eth0")
                sh(f"ip -n {name} link set eth0 up")
                sh(f"ip -n {name} route change {NETWORK}.0/24 dev eth0 congctl {CONGESTION_CONTROL}")
                sh(f"ip netns exec {name} tc qdisc add dev eth0 root {self.shape}")  # out of the node
                sh(f"ip netns exec {self.switch} tc qdisc add dev port{number} root {self.shape}")  # into it
            self.join(undo)
            self.undo = undo.pop_all()
        return self

    def join(self, undo):
        ports = [f"port{number}" for number in range(len(self.names))]
        if self.delay_ms == 0:
            sh(f"ip -n {self.switch} link add bridge type bridge")
            sh(f"ip -n {self.switch} link set bridge up")
            for port in ports:
                sh(f"ip -n {self.switch} link set {port} master bridge")
            return
        words = ["ip", "netns", "exec", self.switch, sys.executable, SWITCH, str(self.delay_ms), *ports]
        switch = subprocess.Popen(words, stdout=subprocess.PIPE)
        undo.callback(switch.wait)
        undo.callback(switch.kill)
        switch.stdout.readline()

    def __exit__(self, *_):
        self.undo.close()

    @staticmethod
    def address(number):
        return f"{NETWORK}.{number + 1}"

    @staticmethod
    def inside(name, line):
        return ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", f"hostname {name}; {line}"]

    def mpirun(self, ranks_per_node, words):
        """Runs a program to its end on all nodes."""
        with tempfile.TemporaryDirectory() as folder:
            agent = pathlib.Path(folder) / "agent.sh"  # called as ssh is: HOST COMMAND...
            enter = "".join(
                f"{self.address(number)}) exec {shlex.join(self.inside(name, '')[:-1])} \"hostname {name}; $*\" ;;\n"
                for number, name in enumerate(self.names)
            )
            agent.write_text(f'#!/bin/sh\nhost=$1\nshift\ncase $host in\n{enter}esac\n')
            agent.chmod(0o755)
            hosts = ",".join(f"{self.address(number)}:{ranks_per_node}" for number in range(len(self.names)))
            line = [
                "mpirun", "--allow-run-as-root", "--quiet", "--host", hosts, "-n", ranks_per_node * len(self.names),
                "--bind-to", "none", "--mca", "plm_rsh_agent", agent, "--mca", "plm_rsh_no_tree_spawn", "1",
                "--mca", "pml", "ob1", "--mca", "btl", "self,vader,tcp", "--mca", "btl_tcp_if_include", f"{NETWORK}.0/24",
                "--mca", "oob_tcp_if_include", f"{NETWORK}.0/24", *words,
            ]  # fmt: skip
            command = self.inside(self.names[0], "exec " + shlex.join(map(str, line)))
            result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"mpirun: {result.stdout}{result.stderr}")

    def goodput(self, seconds=2.0):
        """Bytes a second that a node sends on TCP while all of them send to the next one, each way busy and on these cores."""
        talk = ("import socket, sys, threading, time\n"
                "server = socket.create_server(('', 5000))\n"
                "print(flush=True)\n"
                "sys.stdin.readline()\n"
                "following = socket.create_connection((sys.argv[1], 5000))\n"
                "before = server.accept()[0]\n"
                "def receive():\n"
                "    while before.recv(1 << 20): pass\n"
                "receiver = threading.Thread(target=receive)\n"
                "receiver.start()\n"
                "begin, sent = time.time(), 0\n"
                f"while time.time() - begin < {seconds}: sent += following.send(bytes(1 << 16))\n"
                "following.shutdown(socket.SHUT_WR)\n"
                "receiver.join()\n"
                "print(sent / (time.time() - begin))\n")  # fmt: skip
        nodes = [
            subprocess.Popen(
                ["ip", "netns", "exec", name, sys.executable, "-c", talk, self.address((number + 1) % len(self.names))],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )
            for number, name in enumerate(self.names)
        ]  # fmt: skip
        for node in nodes:
            node.stdout.readline()  # it listens
        for node in nodes:
            node.stdin.write("\n")
            node.stdin.flush()
        return sum(float(node.communicate()[0]) for node in nodes) / len(nodes)

    def train(self, program, ranks_per_node, steps, settings):
        """A run's steps, without the first ones."""
        with tempfile.TemporaryDirectory() as folder:
            run = pathlib.Path(folder) / "run"
            whole = settings | {"run.steps": WARM_UP + steps, "run.dir": run}
            flags = [word for key, value in whole.items() for word in (f"--{key}", str(value))]
            self.mpirun(ranks_per_node, [pathlib.Path(program).resolve(), "train", *flags])
            lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [Step(line["seconds"], line["comm_exposed"], line["loss"]) for line in lines if "loss" in line][WARM_UP:]

    def bytes_sent(self):
        """That left any node so far."""
        counters = (["ip", "netns", "exec", name, "cat", "/sys/class/net/eth0/statistics/tx_bytes"] for name in self.names)
        return sum(int(subprocess.run(words, check=True, capture_output=True).stdout) for words in counters)

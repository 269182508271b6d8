#!/usr/bin/env bash
# A private Slurm cluster of several simulated nodes on one Linux machine. Needs root.
#
#   onenode.sh up DIR [NODES [CPUS]]   2 nodes of 2 cores and one pretended GPU; partitions main, and hi that preempts it
#   onenode.sh crash DIR NUMBER        that node loses power: its processes and its network are gone at once
#   onenode.sh boot DIR NUMBER         it comes back, with the spool that it had
#   onenode.sh cut DIR NUMBER          its cable is pulled: its processes go on, and all files are still there
#   onenode.sh join DIR NUMBER         the cable is plugged in again
#   onenode.sh status DIR
#   onenode.sh down DIR
#
# Everything (munge's key and socket, slurm.conf, spool, logs, process ids) is under DIR; /etc is left alone. After `up`:
#   export SLURM_CONF=DIR/etc/slurm.conf
# A node is a network, host name, mount and process namespace: own address on a bridge, own /dev/shm, own process ids, as
# srun --mpi=pmix and Open MPI need them to tell nodes apart. All files but these are shared, like a cluster's file system.
# Exit status of `up`: 77 where this machine cannot do it; the reason is on stderr.
set -euo pipefail

can_not() {
  echo "onenode: $*" >&2
  exit 77
}
die() {
  echo "onenode: $*" >&2
  exit 1
}

verb=${1:?up, crash, boot, cut, join, status or down}
mkdir -p "${2:?a folder}"
dir=$(cd "$2" && pwd -P)
nodes=${3:-2}
cpus=${4:-2}
net=$(($(cksum <<<"$dir" | cut -d ' ' -f 1) % 200 + 20)) # third octet of the addresses: two clusters may live side by side
bridge=sbr$net
port=$((17000 + net * 10))
export SLURM_CONF=$dir/etc/slurm.conf

is_alive() { # PIDFILE WORD: the process lives, and its command line has the word
  local pid
  pid=$(cat "$1" 2>/dev/null) && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "$2"
}

end() { # PIDFILE WORD SIGNAL: returns when the process is gone
  local pid
  if is_alive "$1" "$2"; then
    pid=$(cat "$1")
    kill "-$3" "$pid" 2>/dev/null || true
    for _ in {1..100}; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
  fi
  rm -f "$1"
}

write_config() {
  local i
  mkdir -p "$dir"/{etc,munge,control,spool,log,run}
  chmod 755 "$dir"
  chmod 700 "$dir/munge"
  (umask 077 && head -c 1024 /dev/urandom >"$dir/munge/key")
  printf '127.0.0.1 localhost\n10.77.%d.1 control\n' "$net" >"$dir/etc/hosts"
  echo 'Name=gpu File=/dev/null' >"$dir/etc/gres.conf"
  # cred_expire: so long does a requeued job wait before it starts again. TmpFS: the pmix plugin makes folders there
  # that nodes must not share. No cgroups: works in containers. config_overrides: cores are what we say. MinJobAge: what
  # became of a job is told for longer than a test takes.
  cat >"$SLURM_CONF" <<CONF
ClusterName=one$net
SlurmctldHost=control(10.77.$net.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.sock,cred_expire=5
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.%n.pid
SlurmdSpoolDir=$dir/spool/%n
StateSaveLocation=$dir/control
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
TmpFS=$dir/tmp.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=5
ReturnToService=2
MinJobAge=3600
SlurmdTimeout=30
GresTypes=gpu
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20
PartitionName=hi Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
  for ((i = 0; i < nodes; ++i)); do
    mkdir -p "$dir/tmp.n$i" "$dir/spool/n$i"
    chmod 1777 "$dir/tmp.n$i"
    echo "10.77.$net.$((11 + i)) n$i" >>"$dir/etc/hosts"
    echo "NodeName=n$i NodeAddr=10.77.$net.$((11 + i)) Port=$((port + 1)) CPUs=$cpus CoresPerSocket=$cpus" \
      "RealMemory=1000 Gres=gpu:1 State=UNKNOWN" >>"$SLURM_CONF"
  done
}

# The first process of a node: names it, gives it its own /dev/shm, /proc, hosts and address, and keeps slurmd.
# shellcheck disable=SC2016 # expanded by the inner shell
node_init='
  name=$1 dir=$2 address=$3
  hostname "$name"
  mount -t proc proc /proc
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  mount --bind "$dir/etc/hosts" /etc/hosts
  ip link set lo up
  until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
  ip address add "$address/24" dev eth0
  ip link set eth0 up
  slurmd -D -N "$name" &
  wait'

start_node() { # NUMBER
  local name=n$1 link=s${net}v$1 outer inner=''
  setsid unshare --uts --mount --pid --net --fork --kill-child=KILL --propagation private \
    bash -c "$node_init" "onenode-$name" "$name" "$dir" "10.77.$net.$((11 + $1))" </dev/null >"$dir/log/node.$name" 2>&1 &
  outer=$!
  for _ in {1..100}; do
    inner=$(pgrep -P "$outer") && break
    sleep 0.05
  done
  [[ -n $inner ]] || die "node $name did not start: $(cat "$dir/log/node.$name")"
  echo "$inner" >"$dir/run/init.$name.pid"
  ip link add "$link" type veth peer name "p$link"
  ip link set "$link" master "$bridge" up
  ip link set "p$link" netns "$inner" name eth0
}

up() {
  local command i
  ((EUID == 0)) || can_not "needs root"
  for command in slurmctld slurmd sinfo munged ip pgrep unshare; do
    command -v $command >/dev/null || can_not "$command is not installed"
  done
  unshare --uts --mount --pid --net --fork --propagation private true 2>/dev/null || can_not "no namespaces here"
  [[ ! -e $SLURM_CONF ]] || die "$dir has a cluster: bring it down first"
  ip link add "$bridge" type bridge 2>/dev/null || can_not "no network bridges here"
  write_config
  ip address add "10.77.$net.1/24" dev "$bridge"
  ip link set "$bridge" up
  munged --key-file="$dir/munge/key" --socket="$dir/run/munge.sock" --pid-file="$dir/run/munged.pid" \
    --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --uts --mount --propagation private bash -c \
    'hostname control && mount --bind "$1" /etc/hosts && exec slurmctld' control "$dir/etc/hosts"
  for ((i = 0; i < nodes; ++i)); do start_node "$i"; done
  for _ in {1..120}; do
    (($(timeout 3 sinfo -h -N -p main -t idle -o %N 2>/dev/null | wc -l) == nodes)) && return
    sleep 0.25
  done
  die "not all $nodes nodes came up: see $dir/log"
}

down() {
  local pid_file
  for pid_file in "$dir"/run/init.*.pid; do end "$pid_file" onenode- KILL; done # and with it all of the node
  end "$dir/run/slurmctld.pid" slurmctld TERM
  end "$dir/run/munged.pid" munged TERM
  ip link delete "$bridge" 2>/dev/null || true
  rm -f "$SLURM_CONF"
}

case $verb in
  up) up ;;
  crash) end "$dir/run/init.n${3:?a number}.pid" onenode- KILL ;;
  boot) start_node "${3:?a number}" ;;
  cut) ip link set "s${net}v${3:?a number}" down ;;
  join) ip link set "s${net}v${3:?a number}" up ;;
  status)
    sinfo -N -l
    squeue
    ;;
  down) down ;;
  *) die "unknown command $verb" ;;
esac

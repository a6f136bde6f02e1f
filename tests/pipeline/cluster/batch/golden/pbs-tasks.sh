#!/bin/bash
#PBS -N birds
#PBS -J 0-7%4
#PBS -o /shared/results/birds/jobs/20260102T030405Z-abc123/logs/tasks-1-^array_index^.log
#PBS -j oe
#PBS -q gpu
#PBS -A vision
#PBS -l walltime=36:00:00
#PBS -l select=1:ncpus=8:mem=32gb:ngpus=1
#PBS -r y
#PBS -V
#PBS -m n

# Task R of 8 computes the missing shards whose number leaves R when divided by 8.
# Written by `a2pipe submit`, which may be run again at any time for what is then still missing.
ranks=(0 1 2 3 4 5 6 7)
rank=${ranks[${PBS_ARRAY_INDEX:-0}]}
cache=/shared/a2pipe
jobs=/shared/results/birds/jobs/20260102T030405Z-abc123
note=/shared/a2pipe/jobs/birds/20260102T030405Z-abc123.json
say() { echo "task $rank of 8, $(hostname), $(date -u +%FT%TZ): $*" >&2; }

# Told to stop, a2pipe finishes the shard it writes, drops the one it computes, and exits with 143.
child=
stopped=
trap 'stopped=yes; [ -z "$child" ] || kill -TERM "$child" 2>/dev/null' TERM USR1

# A shared file system may show a new file late; a folder that is not shared never shows it.
for _ in 1 2 3 4 5 6; do [ -e "$note" ] || sleep 5; done
if [ ! -e "$note" ]; then
    echo "a2pipe: $(hostname) does not see the cache $cache of the machine that submitted this job:" \
        "put it on a file system that every node shares, with --cache." >&2
    exit 1
fi

module load cuda/12
source /shared/venv/bin/activate
export OMP_NUM_THREADS=8

began=$(date +%s)
say "begins"
timeout 129480 a2pipe run "$jobs/experiment.toml" --cache "$cache" \
    --rank "$rank" --world-size 8 &
child=$!
[ -z "$stopped" ] || kill -TERM "$child"
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    code=$?
done

# Out of time (124, of timeout), the task ends; the finishing job submits what is then missing.
say "ended with exit code $code"
exit "$code"

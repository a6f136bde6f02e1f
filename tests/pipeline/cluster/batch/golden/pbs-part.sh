#!/bin/bash
#PBS -N birds
#PBS -J 0-1
#PBS -o /shared/results/birds/jobs/20260102T030405Z-abc123/logs/tasks-2-^array_index^.log
#PBS -j oe
#PBS -l walltime=04:00:00
#PBS -l select=1:ncpus=4:mem=16gb
#PBS -r y
#PBS -V

# Task R of 7 computes the missing shards whose number leaves R when divided by 7.
# Written by `a2pipe submit`, which may be run again at any time for what is then still missing.
ranks=(4 6)
rank=${ranks[${PBS_ARRAY_INDEX:-0}]}
cache=/shared/a2pipe
jobs=/shared/results/birds/jobs/20260102T030405Z-abc123
note=/shared/a2pipe/jobs/birds/20260102T030405Z-abc123.json
say() { echo "task $rank of 7, $(hostname), $(date -u +%FT%TZ): $*" >&2; }

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

export PATH=/shared/venv/bin:$PATH
export OMP_NUM_THREADS=4

began=$(date +%s)
say "begins"
timeout 14280 a2pipe run "$jobs/experiment.toml" --cache "$cache" \
    --rank "$rank" --world-size 7 &
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

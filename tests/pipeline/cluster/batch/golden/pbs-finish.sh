#!/bin/bash
#PBS -N birds-finish
#PBS -o /shared/results/birds/jobs/20260102T030405Z-abc123/logs/finish.log
#PBS -j oe
#PBS -q cpu
#PBS -A vision
#PBS -l walltime=36:00:00
#PBS -l select=1:ncpus=8:mem=32gb
#PBS -r y
#PBS -V

# Runs when every task has ended, however it ended: fits heads and writes the matrix if no shard is
# missing, else says what is missing and submits it again where it may.
# Written by `a2pipe submit`.
cache=/shared/a2pipe
jobs=/shared/results/birds/jobs/20260102T030405Z-abc123
note=/shared/a2pipe/jobs/birds/20260102T030405Z-abc123.json
say() { echo "finish, $(hostname), $(date -u +%FT%TZ): $*" >&2; }

for _ in 1 2 3 4 5 6; do [ -e "$note" ] || sleep 5; done
if [ ! -e "$note" ]; then
    echo "a2pipe: $(hostname) does not see the cache $cache of the machine that submitted this job:" \
        "put it on a file system that every node shares, with --cache." >&2
    exit 1
fi

module load cuda/12
source /shared/venv/bin/activate
export OMP_NUM_THREADS=8

say "begins"
a2pipe finish "$jobs/experiment.toml" --cluster "$jobs/cluster.toml" \
    --cache "$cache" --out /shared/results/birds --resubmit 2
code=$?
say "ended with exit code $code"
exit "$code"

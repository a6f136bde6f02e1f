#!/bin/bash
#SBATCH --job-name=birds-finish
#SBATCH --output=/shared/results/birds/jobs/20260102T030405Z-abc123/logs/finish.log
#SBATCH --open-mode=append
#SBATCH --partition=cpu
#SBATCH --account=vision
#SBATCH --time=1-12:00:00
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --requeue

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


# Stopped by its time limit or for another job, the task goes back into the queue; not so if it was
# cancelled, or committed nothing in half its time or more, as it would do again.
progress() { find "$cache" -mindepth 4 -maxdepth 4 -name done -newermt "@$began" | grep -q .; }
if [ -n "$stopped" ] && [ "$code" -ne 0 ] &&
    [ "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T)" = RUNNING ] &&
    { [ "$SECONDS" -lt {{half}} ] || progress; }; then
    say "goes back into the queue"
    scontrol requeue "$SLURM_JOB_ID"
fi

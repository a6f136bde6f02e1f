
# Out of time (124, of timeout), the task goes back into the queue with the code that #BSUB -Q names;
# not so if nothing was committed meanwhile, as nothing would be again.
progress() { find "$cache" -mindepth 4 -maxdepth 4 -name done -newermt "@$began" | grep -q .; }
if [ "$code" -eq 124 ] && progress; then
    code=99
fi

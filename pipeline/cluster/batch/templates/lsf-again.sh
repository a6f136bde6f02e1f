
# Out of time (124, of timeout), the task goes back into the queue with the code that #BSUB -Q names;
# not so if it committed nothing meanwhile, as it would commit nothing again.
{{progress}}
if [ "$code" -eq 124 ] && progress; then
    code=99
fi

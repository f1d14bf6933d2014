"""Make hostile calls in a process of their own, which may die: python -m tests.hostile.run SEED FROM TO THREADS FILE

Prints a line of JSON for every complaint, and one at the end; FILE says which calls were under way. Memory is limited,
and a call that takes too long ends the process with all stacks on stderr.
"""

import faulthandler
import json
import os
import resource
import sys
import threading
import warnings

MEMORY, SECONDS = 8 << 30, 60
GROWTH = 400 << 10  # kilobytes by which no call may make the process grow
FIELD = 16  # characters of FILE for each thread


def main(seed, begin, end, threads, file):
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    under_way = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    made = []

    def work(first):
        for n in range(first, end, threads):
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            os.pwrite(under_way, b"%*d" % (FIELD, n), FIELD * (first - begin))
            make(seed, n, threads == 1)
            made.append(n)

    pool = [threading.Thread(target=work, args=(begin + k,)) for k in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    faulthandler.cancel_dump_traceback_later()
    if len(made) == end - begin:  # else a thread has died, and told why
        say(done=len(made))


def make(seed, n, alone):
    """One call, and what is to be said of it."""
    from tests.hostile.draw import draw  # knetpy is imported under the limits
    from tests.hostile.judge import judge

    peak, drawn = _peak(), draw(seed, n)
    complaints = judge(drawn, alone)
    if alone and _peak() - peak > GROWTH:
        complaints.append(("much memory", f"{_peak() - peak >> 10} MB"))
    for what, facts in complaints:
        say(n=n, what=what, call=str(drawn), facts=facts[:400])


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def say(**facts):
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:-1]), sys.argv[-1])

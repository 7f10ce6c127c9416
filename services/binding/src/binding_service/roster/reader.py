"""``python -m binding_service.roster.reader FD``: a process that reads its share of a roster's files for an import."""

import signal
import sys
from multiprocessing.connection import Connection

from binding_service.roster.reading import read_share

if __name__ == "__main__":
    # Ctrl-C goes to the whole terminal; the import ends its readers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    read_share(Connection(int(sys.argv[1])))

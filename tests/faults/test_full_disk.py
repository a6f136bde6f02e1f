"""A disk that is full at any one write."""
import time
from .conftest import *

def test_y(launch, small, tmp_path):
    met = tmp_path/"met"; met.write_text("")
    t=time.time()
    import collections, resource
    for i in range(300):
        c = launch("build-matrix", small, "--cache", tmp_path/"d/c", "--out", tmp_path/"d/o", within=str(tmp_path/"d"), fault="full", met=str(met))
        code = c.wait()
        n=len(met.read_text().splitlines())
        if code != 1 or i%20==0: print(i, n, code, time.time()-t, c.err[-300:])
        if n <= i: break
    print(met.read_text())
    assert 0

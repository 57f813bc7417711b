"""Faults on purpose: real processes, broken at random but repeatably, and a checker that judges what came of it.

``python -m deskbell.testing.faults --seconds 600 --seed 7 --instances 3 --plan all`` runs one.

============ ========================================================================================
module       what it is
============ ========================================================================================
history      what clients did and heard, line by line, and what the store held in the end
checker      pure functions over both: each names the promise that was broken
proxy        a TCP link that can be cut, delayed, sliced, stalled or swallowed
repeater     a bus that repeats itself, late and out of order
instances    the processes: several ``deskbell serve``, one PostgreSQL, one Valkey
workload     simulated people who send, edit, react, read, resume and claim, and write it all down
plans        what is broken, when
rig          all of it together, from start to verdict
============ ========================================================================================
"""

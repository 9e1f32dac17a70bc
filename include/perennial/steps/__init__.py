"""The loop, one module per step, named by the verb it does. Data passes through them in this order:

``snapshot``   keeps the delivery's bytes, immutable, under their digest
``validate``   reads them strictly, checks the expectations, sets bad rows aside, writes the partition
``version``    commits the partition to the data registry
``describe_partition``  writes its data card, for people
``plan``       names the window, the holdout and the run
``fit``        trains one candidate and measures it
``judge``      picks the winner and puts it through the gate against the champion
``register``   makes what passed a model version, exactly once
``approve``    records what a person answered, where the spec asks for one
``promote``    makes it champion, in one guarded transaction
``describe_version``    writes its model card, for people
``score``      predicts a new partition with the champion of its time
``readiness``  says what a scored partition waits for before it is measured
``calibrate``  makes what a champion is measured against, once
``measure``    compares the partition with the champion's window
``decide``     puts the measurements to the policy and records the answer
``retention``  removes old objects that nothing needs any more, by hand

Each step takes and returns the small frozen contracts of ``contracts`` and may be repeated:
the same input finds what exists.
"""

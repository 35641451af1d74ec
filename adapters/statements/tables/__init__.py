"""Bank statements in tables, whatever program wrote them.

``profile`` is a layout as data, ``proposal`` finds the layout of a table nobody has seen before,
``header`` what stands above a table and at its head, ``walk`` reads the rows, ``proof`` says
whether they add up.
"""

"""A library's life, made up from a seed and acted out at a desk, and then everything checked.

`stream` makes events up and hears what became of them. A desk carries them out: `service_desk` by the services in a
database of its own, `http_desk` by requests to a running service. `running` puts workers between the two. What must
hold afterwards is checked by `checks`, or from outside by `outside`.
"""

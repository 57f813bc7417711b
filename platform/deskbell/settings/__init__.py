"""How settings are declared, written down and read; which settings there are is :mod:`deskbell.config`.

- :mod:`~deskbell.settings.declared`: what can be set, from the fields of Struct classes.
- :mod:`~deskbell.settings.written`: what somebody wrote, in YAML or in variables, with its place.
- :mod:`~deskbell.settings.reader`: the second turned into the first, or every reason why not.
"""

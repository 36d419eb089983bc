# Where a package keeps things: applied to the program's own default configuration.
s#^dir = ""#dir = "/var/lib/qingting"#

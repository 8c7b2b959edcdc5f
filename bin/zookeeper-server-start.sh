#!/bin/sh
exec "$(dirname -- "$0")/barnabas-run" zookeeper-server-start "$@"

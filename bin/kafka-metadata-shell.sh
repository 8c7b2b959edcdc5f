#!/bin/sh
exec "$(dirname -- "$0")/barnabas-run" kafka-metadata-shell "$@"

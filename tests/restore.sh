#!/bin/bash
# Restores a project's packages. A feed that can not be reached for a moment is asked again.
for pause in 5 15 30; do
    dotnet restore -v quiet "$@" && exit
    echo "restore of $1 has failed; once more in $pause s" >&2
    sleep "$pause"
done
exec dotnet restore -v quiet "$@"

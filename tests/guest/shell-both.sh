#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs shell.sh in busybox's sh and in bash.
here=${0%/*}
echo "##### busybox sh"
/bin/sh "$here/shell.sh" /tmp || echo "status $?"
echo "##### bash"
/bin/bash "$here/shell.sh" /tmp || echo "status $?"

# SPDX-License-Identifier: MIT
# To be sourced by bash.
# till CONDITION: waits until the command succeeds, however busy the machine is.
till() {
    local n
    for ((n = 0; n < 600; n++)); do
        eval "$1" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "never: $1"
}

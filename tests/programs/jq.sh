# SPDX-License-Identifier: MIT
# image: small
# jq over small and large input.

jq --version
echo '{"a":[1,2,{"b":null}],"c":"x\u00e9"}' | jq -c '.a[2], .c, (.a | length), keys'
seq 1 3000 | jq -n '[inputs] | add'
seq 1 3000 | jq -c '{n: ., s: tostring}' >objects
jq -s 'map(select(.n % 7 == 0)) | length' objects
jq -r 'select(.n > 2997) | "\(.n) \(.s | length)"' objects
jq -cs 'group_by(.n % 5) | map({key: (.[0].n % 5 | tostring), value: length}) | from_entries' objects
jq -n '[range(1000)] | map(. * .) | @csv | length'
jq -n --arg x "$(printf 'a b')" --argjson y '[1]' '{$x, $y}' --tab
echo '{"broken": ' | jq . >/dev/null 2>&1; echo "broken $?"
echo 'null' | jq -e . >/dev/null; echo "null $?"
jq -c --stream . <<<'{"a":[1,{"b":2}]}'
jq -n '"2026-11-23T10:00:00Z" | fromdate | todate'
jq . /nosuch 2>/dev/null; echo "absent $?"

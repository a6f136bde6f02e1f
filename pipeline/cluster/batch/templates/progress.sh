progress() {
    find "$cache/" -mindepth 5 -maxdepth 5 -path '*/done/[0-9]*.json' \
        -newermt "@$began" -printf '%f\n' |
        awk -v rank="$rank" '{{shard}} % {{world}} == rank { found = 1 } END { exit !found }'
}

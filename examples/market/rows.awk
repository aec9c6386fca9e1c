# The quarters from a year on, one JSON object a line: awk -v since=2008 -v column=cpi -f rows.awk market.csv

BEGIN { FS = "," }

NR == 1 {
    for (i = 1; i <= NF; i++) {
        gsub(/["\r]/, "", $i)
        if ($i == column) field = i
    }
    if (!field) {
        printf "no column \"%s\" in %s\n", column, FILENAME > "/dev/stderr"
        exit 2
    }
    next
}

$1 + 0 >= since + 0 { printf "{\"quarter\": \"%dQ%d\", \"value\": %.10g}\n", $1, $2, $field }

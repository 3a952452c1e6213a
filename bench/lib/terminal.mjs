const BAR_WIDTH = 24
const MAX_NAME = 44

export function palette(stream, env = process.env) {
  const colours = stream.isTTY && !env.NO_COLOR && env.TERM !== 'dumb'
  const paint = (code) => (text) => (colours ? `\u001B[${code}m${text}\u001B[0m` : text)
  return { bold: paint(1), dim: paint(2), green: paint(32), yellow: paint(33) }
}

// A bar where someone is watching, one line per suite where nobody is.
export function progressOn(stream) {
  let suite = ''
  let total = 0
  let done = 0
  const clear = () => stream.isTTY && stream.write('\r\u001B[2K')
  return {
    begin(name, steps) {
      ;[suite, total, done] = [name, steps, 0]
      if (!stream.isTTY) stream.write(`running ${name}\n`)
    },
    step(peer) {
      done += 1
      if (!stream.isTTY) return
      const filled = Math.round((BAR_WIDTH * done) / total)
      clear()
      stream.write(`${suite} [${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${done}/${total} ${peer}`)
      if (done === total) clear()
    },
    note: (text) => {
      clear()
      stream.write(`${text}\n`)
    },
  }
}

// One suite: a row per competitor; per metric the median over the rounds, the lowest and the highest, and the ratio to this package.
export function printSuite(result, { write, colours }) {
  write(`\n${colours.bold(result.title)}\n`)
  for (const line of result.notes ?? []) write(`${colours.dim(`  ${line}`)}\n`)
  const mine = result.rows.find(({ ours }) => ours)
  const head = ['', ...result.metrics.flatMap(({ label, unit }) => [`${label}, ${unit}`, mine ? 'ratio' : ''])]
  const body = result.rows.map((row) => [
    row.label,
    ...result.metrics.flatMap((metric) => {
      const value = row.values[metric.key]
      return value
        ? [cell(value, metric, result), row === mine || !mine ? '' : ratio(value, mine.values[metric.key], metric)]
        : ['-', '']
    }),
  ])
  const lines = [head, ...body]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  for (const [i, line] of lines.entries()) {
    const text = line
      .map((part, column) => (column === 0 ? part.padEnd(widths[0]) : part.padStart(widths[column])))
      .join('  ')
    write(`  ${i === 0 ? colours.dim(text) : result.rows[i - 1].ours ? colours.green(text) : text}\n`)
  }
  for (const { label, reason } of result.skipped ?? []) {
    write(`  ${colours.yellow(`${label.slice(0, MAX_NAME)}: not measured: ${reason}`)}\n`)
  }
}

// How many times better this package is, whichever direction is better.
function ratio(theirs, mine, { better }) {
  if (!mine || mine.median <= 0 || theirs.median <= 0) return ''
  const times = better === 'less' ? theirs.median / mine.median : mine.median / theirs.median
  return `${times.toPrecision(times < 0.995 ? 2 : 3)}x`
}

const cell = ({ median, min, max }, { digits }, { compact }) =>
  compact ? number(median, digits) : `${number(median, digits)} (${number(min, digits)}-${number(max, digits)})`

function number(value, digits = value >= 100 ? 0 : 1) {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

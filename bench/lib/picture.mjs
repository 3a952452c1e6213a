// Bars on a linear scale from zero, drawn by hand, legible on light and dark pages.
const WIDTH = 800
const NAME_WIDTH = 320
const BAR_MAX = 330
const ROW = 26
const STYLE = `
  .page { fill: #ffffff }
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .faint { fill: #57606a; font-size: 12px }
  .bar { fill: #8c959f }
  .mine { fill: #1a7f37 }
  .less { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
  .whisker { stroke: #57606a }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3 }
    .faint { fill: #9198a1 }
    .bar { fill: #656c76 }
    .mine { fill: #3fb950 }
    .less { fill: none; stroke: #9198a1 }
    .whisker { stroke: #9198a1 }
  }`

export function picture({ machine, suites }) {
  const call = suites.find(({ id }) => id === 'call')
  const crowd = suites.find(({ id }) => id === 'concurrent-100')
  const panels = [
    call && { suite: call, key: 'p50', title: 'One call, one at a time: microseconds, shorter is better', digits: 0 },
    crowd && {
      suite: crowd,
      key: 'callsPerSecond',
      title: '500 agents at once: calls per second, longer is better',
      digits: 0,
    },
  ].filter(Boolean)
  const parts = []
  let y = 28
  for (const panel of panels) {
    parts.push(text(16, y, panel.title, 'title'))
    y += 14
    const rows = panel.suite.rows.filter(({ values }) => values[panel.key])
    const most = Math.max(...rows.map(({ values }) => values[panel.key].max))
    for (const row of rows) {
      parts.push(...bar(row, row.values[panel.key], most, y, panel.digits))
      y += ROW
    }
    y += 34
  }
  const footer = [
    `${machine.cpu}, ${machine.cores} cores, Node.js ${machine.node}.`,
    'Bar: median; line: lowest to highest round. Dashed: proves less than a signed call, or nothing.',
  ]
  for (const line of footer) {
    parts.push(text(16, y - 8, line, 'faint'))
    y += 18
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y - 8}" role="img" aria-label="${escape(panels.map(({ title }) => title).join('; '))}">`,
    `<style>${STYLE}\n</style>`,
    '<rect class="page" width="100%" height="100%" rx="6"/>',
    ...parts,
    '</svg>\n',
  ].join('\n')
}

function bar(row, { median, min, max }, most, y, digits) {
  const scale = (value) => Math.max(1, (value / most) * BAR_MAX)
  const kind = row.ours ? 'mine' : row.proves ? 'less' : 'bar'
  const middle = y + ROW / 2
  const x = (value) => (NAME_WIDTH + scale(value)).toFixed(1)
  const value = median.toLocaleString('en', { maximumFractionDigits: digits })
  return [
    `<text x="${NAME_WIDTH - 10}" y="${middle + 4}" text-anchor="end">${escape(row.label)}</text>`,
    `<rect class="${kind}" x="${NAME_WIDTH}" y="${y + 5}" width="${scale(median).toFixed(1)}" height="${ROW - 10}" rx="2"/>`,
    `<path class="whisker" d="M${x(min)} ${middle}H${x(max)}"/>`,
    text(NAME_WIDTH + scale(max) + 8, middle + 4, value),
  ]
}

const text = (x, y, content, kind) =>
  `<text${kind ? ` class="${kind}"` : ''} x="${typeof x === 'number' ? Number(x.toFixed(1)) : x}" y="${y}">${escape(content)}</text>`
const escape = (content) => String(content).replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

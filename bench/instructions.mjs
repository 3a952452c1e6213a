// npm run bench:instructions: counts the instructions of each hot path under valgrind and compares them with
// instructions.json. Counts do not depend on what else the machine is doing; `--write` records them anew.
// Valgrind knows no AVX-512 and says so to the program, which then takes the path of CPUs without it.
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const TOLERANCE = 0.03
const RECORD = new URL('instructions.json', import.meta.url)
const TOP = fileURLToPath(new URL('..', import.meta.url))
const TARGET = 'target/instructions' // its own, so that it waits for no other build
const PROGRAM = `${TOP}${TARGET}/release/examples/hot-paths`

try {
  process.exitCode = main()
} catch (error) {
  process.stderr.write(`error: ${error.message}\n`)
  process.exitCode = 1
}

function main() {
  const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
  if (spawnSync('valgrind', ['--version']).error)
    throw new Error('there is no valgrind\nhint: apt-get install valgrind')
  const env = { ...process.env, CARGO_PROFILE_RELEASE_STRIP: 'none' }
  execFileSync(
    'cargo',
    ['build', '--release', '--locked', '-q', '-p', 'xbind', '--example', 'hot-paths', '--target-dir', TARGET],
    {
      cwd: TOP,
      env,
      stdio: 'inherit',
    },
  )
  const rustc = /release: (.*)/.exec(execFileSync('rustc', ['-vV'], { cwd: TOP, encoding: 'utf8' }))[1]
  const names = execFileSync(PROGRAM, { encoding: 'utf8' }).trim().split('\n')
  const counts = Object.fromEntries(names.map((name) => [name, perRun(name)]))
  if (values.write) {
    writeFileSync(RECORD, `${JSON.stringify({ rustc, counts }, null, 2)}\n`)
    process.stdout.write(`wrote ${fileURLToPath(RECORD)}\n`)
    return 0
  }
  return compare(JSON.parse(readFileSync(RECORD, 'utf8')), { rustc, counts })
}

// The difference between two runs leaves start-up out.
function perRun(name) {
  const times = name.endsWith('-1000') ? 1 : 10
  return Math.round((instructions(name, times) - instructions(name, 0)) / times)
}

function instructions(name, times) {
  const args = ['--tool=callgrind', '--callgrind-out-file=/dev/null', PROGRAM, name, String(times)]
  const { status, stderr } = spawnSync('valgrind', args, { encoding: 'utf8' })
  const counted = /Collected : (\d+)/.exec(stderr)
  if (status !== 0 || !counted) throw new Error(`valgrind could not count ${name}: ${stderr.trim().split('\n').at(-1)}`)
  return Number(counted[1])
}

function compare(recorded, measured) {
  let worse = 0
  for (const [name, count] of Object.entries(measured.counts)) {
    const before = recorded.counts[name]
    const change = before === undefined ? Number.NaN : count / before - 1
    const verdict = Number.isNaN(change)
      ? 'not recorded'
      : Math.abs(change) <= TOLERANCE
        ? 'ok'
        : change > 0
          ? 'MORE'
          : 'FEWER'
    if (verdict !== 'ok') worse += 1
    const percent = Number.isNaN(change) ? '' : `${change >= 0 ? '+' : ''}${(change * 100).toFixed(1)} %`
    process.stdout.write(
      `${name.padEnd(18)} ${count.toLocaleString('en').padStart(14)} ${percent.padStart(9)}  ${verdict}\n`,
    )
  }
  if (worse === 0) return 0
  process.stdout.write(
    `${worse} outside ${TOLERANCE * 100} %. If that is meant: npm run bench:instructions -- --write\n`,
  )
  if (recorded.rustc !== measured.rustc)
    process.stdout.write(`Recorded with rustc ${recorded.rustc}, this is ${measured.rustc}.\n`)
  return 1
}

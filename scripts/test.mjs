// Builds, runs the Rust, the TypeScript and the Python tests, and ends with one line: `N passed, N failed`.
// node scripts/test.mjs [rust] [ts] [python] [nodes] [packaging] [seeds] [logs] [kills] [models] [chaos]: the first three without
// arguments. `seeds` is the runtime's simulation at length, `logs` what its logs bear, `kills` an authority and a command that are killed
// again and again, `models` tries every order in which its locks can be taken and its wakings come (loom), `chaos` kills servers and
// processes of a bus over NATS, and parts them.
import { availableParallelism } from 'node:os'
import { delimiter, dirname, relative } from 'node:path'
import { lines, root } from './run.mjs'
import { checkToolchain } from './toolchain.mjs'

const suites = {
  rust,
  ts,
  python,
  nodes,
  seeds,
  logs,
  kills,
  models,
  chaos,
  packaging: () => specs('__test__/packaging/vitest.config.mjs'),
}

const total = { passed: 0, failed: 0 }
process.on('exit', (code) => {
  // Whatever ends the run before the tests have counted themselves is a failure too.
  if (code !== 0 && total.failed === 0) total.failed = 1
  console.log(`\n${total.passed} passed, ${total.failed} failed`)
})

const asked = process.argv.slice(2)
const unknown = asked.find((name) => !Object.hasOwn(suites, name))
if (unknown !== undefined) {
  console.error(`error: there are no ${unknown} tests; there are ${Object.keys(suites).join(', ')}`)
  process.exit(1)
}

checkToolchain()
const { install } = await import('./install.mjs')
install()
const { buildAddon, buildHooks } = await import('./addon.mjs')
await buildAddon()
const { buildDist } = await import('./dist.mjs')
await buildDist()

for (const name of asked.length === 0 ? ['rust', 'ts', 'python'] : asked) {
  console.log(`\n── ${name} ──`)
  await suites[name]()
}
process.exitCode = total.failed === 0 ? 0 : 1

function count(name, { passed, failed, code }) {
  total.passed += passed
  total.failed += failed
  if (code === 0 || failed > 0) return
  console.error(`error: the ${name} tests ended with code ${code}, beside the tests themselves`)
  total.failed++
}

/** As many programs of tests at a time as there are cores: many of them wait most of the time. */
async function rust() {
  const { compile } = await import('./cargo.mjs')
  const programs = []
  await compile('the Rust tests', ['test', '--workspace', '--locked', '--no-run'], (artifact) => {
    if (artifact.executable && artifact.profile.test) programs.push(artifact)
  })
  if (programs.length === 0) throw new Error('cargo told of no program of tests')
  const next = programs.values()
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      for (const program of next) await runProgram(program)
    }),
  )
  await cargo('documented', ['--workspace', '--no-fail-fast', '--quiet', '--doc'])
}

async function runProgram({ executable, manifest_path: manifest, target }) {
  const cwd = dirname(manifest)
  const said = [`${target.name} (${relative(root, cwd)})`]
  const options = { cwd, env: { ...process.env, CARGO_MANIFEST_DIR: cwd }, stderr: 'pipe' }
  const code = await lines(executable, ['--quiet'], (line) => said.push(line), options)
  console.log(said.join('\n'))
  count(target.name, { ...counted(said), code })
}

async function seeds() {
  process.env.XBIND_SEEDS ??= '10000'
  await cargo('simulated', ['--package', 'xbind-runtime', '--release', '--test', 'simulation'])
}

/** One test after the other, because the largest says how long it took. */
async function logs() {
  process.env.XBIND_LONG ??= '1'
  const args = ['--package', 'xbind-runtime', '--release', '--test', 'record', '--', '--nocapture', '--test-threads=1']
  await cargo('long', args)
}

async function kills() {
  process.env.XBIND_KILLS ??= '1000'
  await cargo('killed', ['--workspace', '--test', 'killed'])
}

async function models() {
  Object.assign(process.env, { RUSTFLAGS: '--cfg loom', CARGO_TARGET_DIR: 'target/loom' })
  await cargo('modelled', ['--package', 'xbind-runtime', '--release', '--lib'])
}

/** What breaks under load, again and again. */
async function chaos() {
  process.env.XBIND_CHAOS ??= '20'
  await specs('vitest.config.mjs', { args: ['__test__/nats-chaos', '__test__/nats-partitions'] })
}

async function cargo(name, args) {
  const said = []
  const code = await lines('cargo', ['test', '--locked', ...args], (line) => {
    console.log(line)
    said.push(line)
  })
  count(name, { ...counted(said), code })
}

function counted(said) {
  const counts = { passed: 0, failed: 0 }
  for (const line of said) {
    const [, passed, failed] = /^test result: .*? (\d+) passed; (\d+) failed;/.exec(line) ?? []
    counts.passed += Number(passed ?? 0)
    counts.failed += Number(failed ?? 0)
  }
  return counts
}

async function ts() {
  await buildHooks()
  await specs('vitest.config.mjs')
}

async function python() {
  const { pythonTests } = await import('./python.mjs')
  count('Python', await pythonTests())
}

/** The same specs on the oldest and the newest Node.js, but for the one that runs this, and for what brokers and authorities bear. */
async function nodes() {
  await buildHooks()
  const { otherNodes } = await import('./nodes.mjs')
  for (const [major, node] of otherNodes()) {
    console.log(`\n── Node.js ${major} ──`)
    const env = { ...process.env, XBIND_OTHER_NODE: major, PATH: `${dirname(node)}${delimiter}${process.env.PATH}` }
    await specs('vitest.config.mjs', { node, env })
  }
}

async function specs(config, options) {
  const { vitest } = await import('./vitest.mjs')
  count(config, vitest(config, options))
}

// Builds, runs the Rust and the TypeScript tests, and ends with one line: `N passed, N failed`.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { lines, root } from './run.mjs'
import { checkToolchain } from './toolchain.mjs'

const suites = {
  rust: () => cargo(['test', '--workspace', '--no-fail-fast', '--quiet']),
  ts: () => vitest('vitest.config.mjs'),
  packaging: () => vitest('__test__/packaging/vitest.config.mjs'),
}

const total = { passed: 0, failed: 0 }
process.on('exit', (code) => {
  // Whatever ends the run before the tests have counted themselves is a failure too.
  if (code !== 0 && total.failed === 0) total.failed = 1
  console.log(`\n${total.passed} passed, ${total.failed} failed`)
})

checkToolchain()
const { install } = await import('./install.mjs')
install()
const { buildAddon } = await import('./addon.mjs')
await buildAddon()
const { buildDist } = await import('./dist.mjs')
await buildDist()

const asked = process.argv.slice(2)
for (const name of asked.length === 0 ? ['rust', 'ts'] : asked) {
  console.log(`\n── ${name} ──`)
  const { passed, failed, code } = await suites[name]()
  total.passed += passed
  total.failed += failed
  if (code !== 0 && failed === 0) {
    console.error(`error: the ${name} tests ended with code ${code}, beside the tests themselves`)
    total.failed++
  }
}
process.exitCode = total.failed === 0 ? 0 : 1

async function cargo(args) {
  const counts = { passed: 0, failed: 0 }
  const code = await lines('cargo', args, (line) => {
    console.log(line)
    const [, passed, failed] = /^test result: .*? (\d+) passed; (\d+) failed;/.exec(line) ?? []
    counts.passed += Number(passed ?? 0)
    counts.failed += Number(failed ?? 0)
  })
  return { ...counts, code }
}

function vitest(config) {
  const file = join(root, 'target/vitest.json')
  mkdirSync(join(root, 'target'), { recursive: true })
  rmSync(file, { force: true })
  const args = ['run', '--config', config, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const script = join(root, 'node_modules/vitest/vitest.mjs')
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(file, 'utf8'))
    return { passed: numPassedTests, failed: numFailedTests, code: status }
  } catch {
    return { passed: 0, failed: 0, code: status || 1 }
  }
}

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { lines, root, run } from './run.mjs'

const TOOLS = ['maturin>=1.16,<2', 'pytest>=9', 'pytest-asyncio>=1.5', 'pydantic>=2', 'cryptography', 'mypy', 'pyright']
/** Each is optional: the tests of what cannot be installed are skipped, and say so. */
const FRAMEWORKS = {
  AutoGen: ['autogen-core>=0.7.5,<0.8', 'autogen-agentchat>=0.7.5,<0.8', 'autogen-ext>=0.7.5,<0.8'],
  AG2: ['ag2>=1.2,<1.3'],
  'Microsoft Agent Framework': ['agent-framework-core>=1.23,<2'],
}
const folder = join(root, 'target', 'python')
const bin = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin')
const python = join(bin, process.platform === 'win32' ? 'python.exe' : 'python')

/** Builds the Python package into an environment of its own, and runs its tests; or says why not. */
export async function pythonTests() {
  const found = interpreter()
  if (!found) {
    console.log('the Python tests are not run: there is no Python 3.10 or newer with venv here')
    return { passed: 0, failed: 0, code: 0 }
  }
  prepare(found)
  const counts = { passed: 0, failed: 0 }
  const code = await lines(python, ['-m', 'pytest', '--quiet', '-rs', 'python'], (line) => {
    console.log(line)
    if (!/^\d+ \w+.* in [\d.]+s/.test(line)) return
    const count = (what) => Number(new RegExp(`(\\d+) ${what}`).exec(line)?.[1] ?? 0)
    counts.passed += count('passed')
    counts.failed += count('failed') + count('error')
  })
  return { ...counts, code }
}

function interpreter() {
  const check = 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))'
  return ['python3', 'python'].find((name) => spawnSync(name, ['-c', check], { stdio: 'ignore' }).status === 0)
}

/** The environment, once for each list of tools; the package anew each time. */
function prepare(found) {
  const note = join(folder, 'tools.txt')
  const tools = [TOOLS, ...Object.values(FRAMEWORKS)].flat().join('\n')
  if (!existsSync(python) || !existsSync(note) || readFileSync(note, 'utf8') !== tools) {
    console.log('Installing what the Python tests need')
    run(found, ['-m', 'venv', '--clear', folder])
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    run(python, [...install, ...TOOLS])
    const until = Date.now() + 120_000
    for (const [name, packages] of Object.entries(FRAMEWORKS)) {
      const timeout = Math.max(until - Date.now(), 1)
      if (spawnSync(python, [...install, ...packages], { stdio: 'inherit', timeout }).status !== 0)
        console.log(`the tests of ${name} are not run: it cannot be installed here`)
    }
    writeFileSync(note, tools)
  }
  console.log('Building the Python package')
  const env = { ...process.env, VIRTUAL_ENV: folder }
  run(python, ['-m', 'maturin', 'develop', '--quiet', '--locked'], { cwd: join(root, 'python'), env })
}

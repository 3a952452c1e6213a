// Whoever follows README.md or CONTRIBUTING.md meets no command that nobody runs.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }

/** What .ci/run runs, without its comments. */
const run = read('.ci/run').replaceAll(/^\s*#.*$/gm, '')

/** Commands that are tried elsewhere, and where. */
const elsewhere: Record<string, string> = {
  'npm install @private.me/autogen': '__test__/packaging/npm.spec.ts',
  'npm pack': '__test__/packaging/setup.ts',
  'node scripts/release.mjs <platform>': '.github/workflows/release.yml',
  'git diff --exit-code': '.ci/run',
}

/** The commands in a document: in backticks, or lines of a block for a shell. */
function commands(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.split('\n'))
  const inline = [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  const found = [...blocks, ...inline].map((line) => line.replace(/ +#.*/, '').trim())
  return [...new Set(found.filter((line) => /^(npm|npx|node|cargo|\.ci\/run)( |$)/.test(line) && line.includes(' ')))]
}

/** Whether .ci/run runs it, perhaps with more behind it, or all that it consists of. */
function isCovered(command: string): boolean {
  if (command in elsewhere) return true
  const literal = command.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')
  if (new RegExp(`(^|[\\s;({])${literal}(?=$|[\\s;)}])`, 'm').test(run)) return true
  const [, name = ''] = /^npm (?:run )?([\w:]+)$/.exec(command) ?? []
  if (scripts[name] !== undefined) return scripts[name].split(' && ').every((part) => isCovered(part))
  const parts = /^node scripts\/build\.mjs (addon|dist|types)$/.exec(command)
  return parts !== null && isCovered('npm run build')
}

test.each(['README.md', 'CONTRIBUTING.md'])('.ci/run tries every command of %s', (file) => {
  const named = commands(read(file))
  expect(named.length).toBeGreaterThan(4)
  expect(named.filter((command) => !isCovered(command))).toEqual([])
})

test('every script of package.json that is not part of another is tried', () => {
  const helpers = ['prepack', 'postpack', 'prepublishOnly', 'bench:instructions']
  const names = Object.keys(scripts).filter((name) => !helpers.includes(name))
  expect(
    names.filter((name) => !isCovered(name === 'test' ? 'npm test' : `npm run ${name}`) && !isCovered(`npm ${name}`)),
  ).toEqual([])
})

test('one that nobody runs would be found', () => {
  expect(commands('`npm run x`, `npm`, `noder`\n```sh\nnpm i y  # z\n```\n')).toEqual(['npm i y', 'npm run x'])
  expect(['npm run nothing', 'cargo test -p other', 'npm run benchmark', 'npm run ready'].map(isCovered)).toEqual([
    false,
    false,
    false,
    true,
  ])
})

test.skipIf(process.platform === 'win32')(
  'what .ci/run leaves out is neither ok nor failed, and said with its reason',
  () => {
    const [steps = '', , end = ''] = read('.ci/run').split(/^(if step prepare[^]*?^fi$)/m)
    const late = `${steps}
    SECONDS=6000
    fails() { false; }
    step python python_alone
    step fuzz fuzz
    step other true
    step bad fails${end}`
    const { stdout: said, status } = spawnSync('bash', ['-c', late, '.ci/run'], { cwd: root, encoding: 'utf8' })
    expect(said).toContain('== python: left out: 100 minutes have gone already\n')
    expect(said).toContain('== other: ok, ')
    expect(said).toContain('== bad: failed, ')
    const [, left] = said.split('== What was left out\n')
    expect(left).toMatch(/^python: left out: .*\nfuzz: left out: .*\n\n== What failed\n/)
    expect(said).toMatch(/\n0 passed, 1 failed\n$/)
    expect(status).toBe(1)
  },
)

test('where a command is tried elsewhere, it is', () => {
  expect(read('__test__/packaging/project.ts')).toContain("'install'")
  expect(read('__test__/packaging/setup.ts')).toContain("'pack'")
  expect(read('.github/workflows/release.yml')).toContain('node scripts/release.mjs')
})

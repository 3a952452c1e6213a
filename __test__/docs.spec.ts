// What the documents say is so: examples run and print what is written below them, links lead somewhere.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { promisify } from 'node:util'
import * as api from '@private.me/autogen'
import { afterAll, describe, expect, test } from 'vitest'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Every file of the project, by its path from the root. */
function files(folder = root): string[] {
  const skipped = ['node_modules', 'target', 'dist', 'corpus', 'artifacts']
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isFile()) return [relative(root, path).replaceAll('\\', '/')]
    return skipped.includes(entry.name) || entry.name.startsWith('.') ? [] : files(path)
  })
}

const documents = (): string[] => files().filter((file) => file.endsWith('.md'))

const fences = /^```([^\n]*)\n(.*?)^```$/gms
const withoutCode = (text: string): string => text.replace(fences, '').replace(/`[^`\n]*`/g, '')

describe('the examples of README.md', () => {
  interface Example {
    code: string
    output: string
  }

  /** The blocks marked `ts run`, each with the `text` block that follows it. */
  function examples(): Example[] {
    const blocks = [...read('README.md').matchAll(fences)].map(([, kind = '', text = '']) => ({ kind, text }))
    return blocks.flatMap(({ kind, text: code }, i) => {
      const next = blocks[i + 1]
      return kind === 'ts run' ? [{ code, output: next?.kind === 'text' ? next.text : '' }] : []
    })
  }

  /** Matches what is written; `…` stands for what differs from run to run. */
  const pattern = (text: string): RegExp =>
    new RegExp(
      `^${text
        .trim()
        .split('…')
        .map((part) => part.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&'))
        .join('.+')}$`,
    )

  mkdirSync(join(root, 'target'), { recursive: true })
  const folder = mkdtempSync(join(root, 'target/readme-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  test('are one program, which compiles and prints what is written below each', { timeout: 300_000 }, async () => {
    const mark = '── next ──'
    const parts = examples()
    expect(parts.length).toBeGreaterThan(3)
    writeFileSync(join(folder, 'readme.mts'), parts.map(({ code }) => code).join(`console.log('${mark}');\n`))
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const options = ['--ignoreConfig', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
    const compiled = await execute(process.execPath, [tsc, ...options, 'readme.mts'], { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    )
    expect(compiled.stdout).toBe('')
    const { stdout, stderr } = await execute(process.execPath, ['readme.mjs'], { cwd: folder })
    expect(stderr).toBe('')
    const printed = stdout.split(`${mark}\n`)
    expect(printed).toHaveLength(parts.length)
    for (const [i, { output }] of parts.entries()) expect(printed[i]?.trim()).toMatch(pattern(output))
  })

  test('the pattern of an output lets nothing but the dots vary', () => {
    expect("to: 'did:key:z6Mkx'").toMatch(pattern("to: 'did:key:z6Mk…'"))
    expect("to: 'did:key:z6Mkx', more").not.toMatch(pattern("to: 'did:key:z6Mk…'"))
    expect('a(b)').not.toMatch(pattern('a(c)'))
  })
})

test('the package needs no other and runs nothing when it is installed', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, object>
  expect(Object.keys(manifest)).not.toEqual(expect.arrayContaining([expect.stringMatching(/^(peerD|d)ependencies$/)]))
  const atInstall = /^(pre|post)?(install|prepare)$/
  expect(Object.keys(manifest.scripts ?? {}).filter((name) => atInstall.test(name))).toEqual([])
})

test.each(['README.md', 'ARCHITECTURE.md', 'SECURITY.md', 'CONTRIBUTING.md'])(
  'the files that %s names exist',
  (file) => {
    const named = [...read(file).matchAll(/`(\w[\w./-]*\.(?:rs|ts|mjs|json|toml))`/g)].map(([, name = '']) => name)
    const missing = named.filter((name) => !files().some((path) => path === name || path.endsWith(`/${name}`)))
    expect(missing).toEqual([])
  },
)

test('README.md names everything that is exported', () => {
  const table = /^## API$(.*?)^## /ms.exec(read('README.md'))?.[1] ?? ''
  const missing = Object.keys(api).filter((name) => !new RegExp(`\`(new )?${name}\\b`).test(table))
  expect(missing).toEqual([])
})

test('docs/errors.md has the codes of the types, in their order', () => {
  const union = /type XBindErrorCode =([^;]*);/.exec(read('index.d.ts'))?.[1] ?? ''
  const headings = [...read('docs/errors.md').matchAll(/^## (.*)$/gm)].map(([, code]) => code)
  expect(headings).toEqual([...union.matchAll(/"(\w+)"/g)].map(([, code]) => code))
  expect(headings).toContain('INTERNAL')
})

describe('links', () => {
  /** The anchors of a page, as its host makes them of the headings. */
  function anchors(file: string): Set<string> {
    const seen = new Map<string, number>()
    const headings = read(file)
      .replace(fences, '')
      .matchAll(/^#+ (.*)$/gm)
    return new Set(
      [...headings].map(([, heading = '']) => {
        const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase()
        const slug = text.replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')
        const times = seen.get(slug) ?? 0
        seen.set(slug, times + 1)
        return times === 0 ? slug : `${slug}-${times}`
      }),
    )
  }

  function broken(file: string, text = read(file)): string[] {
    const targets = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
    return targets.filter((target) => {
      if (target.startsWith('https://')) return false
      const [path = '', anchor] = target.split('#')
      const page = path === '' ? file : relative(root, resolve(root, dirname(file), path))
      if (page.startsWith('..') || !existsSync(join(root, page))) return true
      return anchor !== undefined && !(page.endsWith('.md') && anchors(page).has(anchor))
    })
  }

  test.each(documents())('of %s lead somewhere', (file) => {
    expect(broken(file)).toEqual([])
  })

  test('there are many, and a wrong one would be found', () => {
    expect(documents()).toEqual(expect.arrayContaining(['README.md', 'SECURITY.md', 'docs/errors.md']))
    const fine = [
      'errors.md#invalid_did',
      'wire-format.md#many-messages-one-signature',
      '../SECURITY.md',
      '../vectors/',
    ]
    const wrong = ['errors.md#invalid-did', 'nowhere.md', '../../outside.md', 'http://insecure.example']
    expect(broken('docs/any.md', [...fine, ...wrong].map((target) => `[\`code\`](${target})`).join(' '))).toEqual(wrong)
  })
})

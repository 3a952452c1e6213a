// What the documents say is so: examples run and print what is written below them, links lead somewhere.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import * as api from '@private.me/autogen'
import * as express from '@private.me/autogen/express'
import * as fastify from '@private.me/autogen/fastify'
import * as gateway from '@private.me/autogen/gateway'
import * as hono from '@private.me/autogen/hono'
import * as http from '@private.me/autogen/http'
import * as messages from '@private.me/autogen/messages'
import * as nats from '@private.me/autogen/nats'
import * as record from '@private.me/autogen/record'
import * as tokens from '@private.me/autogen/tokens'
import { describe, expect, test } from 'vitest'

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

test('the package needs no other and runs nothing when it is installed', () => {
  const manifest = JSON.parse(read('package.json')) as Record<string, object>
  expect(manifest).not.toHaveProperty('dependencies')
  // Who uses a framework has it; nobody else is asked to.
  const optional = Object.keys(manifest.peerDependencies ?? {}).map((name) => [name, { optional: true }])
  expect(manifest.peerDependenciesMeta).toEqual(Object.fromEntries(optional))
  for (const entry of ['express', 'fastify', 'hono'])
    expect(read(`dist/${entry}.cjs`)).not.toMatch(/require\("(?!\.|node:)/)
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

describe('docs/api.md', () => {
  const parts = {
    '@private.me/autogen': api,
    '@private.me/autogen/tokens': tokens,
    '@private.me/autogen/messages': messages,
    '@private.me/autogen/http': http,
    '@private.me/autogen/record': record,
    '@private.me/autogen/nats': nats,
    '@private.me/autogen/gateway': gateway,
    '@private.me/autogen/express': express,
    '@private.me/autogen/fastify': fastify,
    '@private.me/autogen/hono': hono,
  }

  /** The text below a heading, up to the next one of its level. */
  function below(heading: string, text: string): string {
    const level = heading.split(' ', 1)[0] ?? ''
    const [, , rest = ''] = text.split(new RegExp(`^(${heading.replaceAll('.', '\\.')})$`, 'm'))
    return rest.split(new RegExp(`^#{1,${level.length}} `, 'm'))[0] ?? ''
  }

  /** The members that code can reach, but for those that every error and object has. */
  function membersOf(value: { prototype: object }): Set<string> {
    const names = [...Object.getOwnPropertyNames(value.prototype), ...Object.getOwnPropertyNames(value)]
    return new Set(names.filter((name) => !['constructor', 'name', 'length', 'prototype'].includes(name)))
  }

  test.each(Object.entries(parts))('names everything of %s', (name, exported) => {
    const part = below(`## ${name}`, read('docs/api.md'))
    const functions = below('### Functions', part)
    for (const [what, value] of Object.entries(exported as Record<string, { prototype: object }>)) {
      if (!/^[A-Z]/.test(what)) {
        expect(functions, what).toContain(`\`${what}(`)
        continue
      }
      const section = below(`### ${what}`, part)
      const named = Array.from(section.matchAll(/`(?:[A-Z]\w+)?\.(\w+)/g), ([, member = '']) => member)
      expect([what, ...[...membersOf(value)].filter((member) => !named.includes(member))]).toEqual([what])
    }
  })

  test('names no member that there is not', () => {
    for (const [name, exported] of Object.entries(parts)) {
      const types = read(`${name.split('/')[2] ?? 'index'}.d.ts`)
      const part = below(`## ${name}`, read('docs/api.md'))
      for (const what of Object.keys(exported).filter((key) => /^[A-Z]/.test(key))) {
        const declared = new RegExp(`^export declare class ${what}\\b(.*?)^}`, 'ms').exec(types)?.[1] ?? ''
        const section = below(`### ${what}`, part)
        for (const [, member = ''] of section.matchAll(/`(?:[A-Z]\w+)?\.(\w+)/g)) {
          const isThere = member === 'message' || new RegExp(`\\b${member}\\b`).test(declared)
          expect([what, member, isThere]).toEqual([what, member, true])
        }
      }
    }
  })
})

test('README.md is short: at most 900 words beside its code', () => {
  const words = read('README.md')
    .replace(fences, '')
    .split(/\s+/)
    .filter((word) => /\w/.test(word))
  expect(words.length).toBeGreaterThan(300)
  expect(words.length).toBeLessThanOrEqual(900)
})

test('README.md leads to every guide, and has no passphrase of its own', () => {
  const readme = read('README.md')
  // Those for one framework of Python alone stand in docs/README.md.
  const ofFrameworks = ['ag2.md', 'agent-framework.md', 'autogen.md']
  const guides = readdirSync(join(root, 'docs/guides'))
  expect(guides).toEqual(expect.arrayContaining(ofFrameworks))
  for (const file of ofFrameworks) expect(read('docs/README.md')).toContain(`(guides/${file})`)
  const missing = guides.filter((file) => !readme.includes(`(docs/guides/${file})`))
  expect(missing).toEqual(ofFrameworks)
  expect(readme).not.toMatch(/PASSPHRASE *(\?\?|\|\|)/)
  for (const name of ['`handler`', '`isReceipt`', '`onHandlerError`']) expect(readme).toContain(name)
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

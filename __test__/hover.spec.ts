// What an editor shows: every public member says what it is, and what the examples say compiles.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { afterAll, expect, test } from 'vitest'
import { basesOf, entries } from '../scripts/entries.mjs'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '..')

interface Member {
  path: string
  doc: string
}

/** Every declaration of a file that can be hovered over; of overloads, the first. */
function members(text: string): Member[] {
  const source = ts.createSourceFile('entry.d.ts', text, ts.ScriptTarget.Latest, true)
  const found = new Map<string, string>()
  const visit = (node: ts.Node, outer: string): void => {
    let path = outer
    if (isMember(node)) {
      const name = node.name?.getText(source) ?? 'constructor'
      const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : []
      if (name === '#private' || modifiers.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword)) return
      path = outer === '' ? name : `${outer}.${name}`
      const docs = ts.getJSDocCommentsAndTags(node).map((doc) => doc.getText(source))
      if (!found.has(path)) found.set(path, docs.join('\n'))
    }
    ts.forEachChild(node, (child) => visit(child, path))
  }
  visit(source, '')
  return [...found].map(([path, doc]) => ({ path, doc }))
}

type Named = (ts.Declaration & { name?: ts.Node }) | ts.ConstructorDeclaration

function isMember(node: ts.Node): node is Named {
  return (
    ts.isInterfaceDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isPropertySignature(node) ||
    ts.isPropertyDeclaration(node) ||
    ts.isMethodSignature(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isAccessor(node) ||
    ts.isConstructorDeclaration(node)
  )
}

const read = (entry: string): string => readFileSync(join(root, `${entry}.d.ts`), 'utf8')
const missing = (text: string): string[] => members(text).flatMap(({ path, doc }) => (doc === '' ? [path] : []))

test.each(entries)('%s.d.ts says of every member what it is', (entry) => {
  expect(members(read(entry)).length).toBeGreaterThanOrEqual(10)
  expect(missing(read(entry))).toEqual([])
})

test('one that says nothing would be found', () => {
  const lines = [
    '/** A. */',
    'export interface A {',
    'b: string',
    '/** C. */',
    'c(options: { d: 1 }): void',
    '}',
    'export declare class E {',
    '#private',
    'private f',
    '/** G. */',
    'constructor()',
    'static h(): void',
    '}',
  ]
  const text = lines.join('\n')
  expect(missing(text)).toEqual(['A.b', 'A.c.d', 'E', 'E.h'])
})

test('the main ones show an example', () => {
  const shown = entries.flatMap((entry) => members(read(entry)).filter(({ doc }) => doc.includes('@example')))
  const paths = shown.map(({ path }) => path)
  const main = ['AutoGenxBindAgent', 'AutoGenxBindAgent.call', 'AutoGenxBindAgent.send', 'AutoGenxBindAgent.receive']
  const others = ['AutoGenxBindAgent.handle', 'AutoGenxBindAgent.fromIdentity', 'AutoGenxBindAgent.exportIdentity']
  const rest = [
    'AutoGenxBindAgent.grant',
    'AutoGenxBindAgent.delegate',
    'AutoGenxBindAgent.decide',
    'AutoGenxBindAgent.close',
    'MessageBus',
    'isReceipt',
    'TokenVerifier.verify',
    'MessageVerifier.open',
    'xBindIdentityProvider',
    'Identity',
    'Identity.seal',
    'HandlerError',
    'Result',
  ]
  const rights = ['issueToken', 'delegateToken', 'TokenVerifier', 'RevocationList', 'KeyHistory', 'MessageVerifier']
  expect(paths).toEqual(expect.arrayContaining([...main, ...others, ...rest, ...rights]))
})

mkdirSync(join(root, 'target'), { recursive: true })
const folder = mkdtempSync(join(root, 'target/examples-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('the examples compile', { timeout: 300_000 }, async () => {
  const namesOf = (entry: string): string[] =>
    [...read(entry).matchAll(/^export (?:declare )?(?:class|function|interface|type) (\w+)/gm)].map(([, n = '']) => n)
  const imports = (entry: string, others: readonly string[]): string => {
    const text = read(entry)
    const names = namesOf(entry).filter((name) => !others.includes(name))
    const path = entry === 'index' ? '@private.me/autogen' : `@private.me/autogen/${entry}`
    return `import { ${names.map((name) => (isValue(text, name) ? name : `type ${name}`)).join(', ')} } from '${path}'`
  }
  // What the examples take as given.
  const given = `
    import { readFile, writeFile } from 'node:fs/promises'
    declare const agent: AutoGenxBindAgent, identity: Identity, friend: Identity, passphrase: string, token: string
    declare const data: Uint8Array, signature: Uint8Array, sealed: SealedMessage, call: ApprovedCall, statement: string`
  const blocks = (entry: string): string[] =>
    members(read(entry)).flatMap(({ doc }) => [...doc.matchAll(/```ts\n(.*?)```/gs)].map(([, code = '']) => code))
  expect(entries.flatMap(blocks).length).toBeGreaterThan(20)
  const bodies = (entry: string): string[] => blocks(entry).map((block) => `{\n${block.replaceAll(/^ *\* ?/gm, '')}\n}`)
  // Frameworks use the same names, each its own, in place of those of the base.
  const common = entries.filter((entry) => basesOf(entry).length < 2)
  const programs = entries.filter((entry) => !common.includes(entry)).map((entry) => [entry])
  const files = [common, ...programs].map((of, i) => {
    const imported = i === 0 ? of : [...common, ...of]
    const own = i === 0 ? [] : of.flatMap(namesOf)
    const heads = imported.map((entry) => imports(entry, of.includes(entry) ? [] : own))
    writeFileSync(join(folder, `${i}.mts`), [...heads, given, ...of.flatMap(bodies)].join('\n'))
    return `${i}.mts`
  })
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--ignoreConfig', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
  const run = execute(process.execPath, [tsc, ...options, '--noEmit', ...files], { cwd: folder })
  const { stdout } = await run.catch((error: { stdout: string }) => error)
  expect(stdout).toBe('')
})

function isValue(text: string, name = ''): boolean {
  return new RegExp(`^export declare (class|function) ${name}\\b`, 'm').test(text)
}

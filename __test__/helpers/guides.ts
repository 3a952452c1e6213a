// The programs in the documents: blocks marked `ts run`, each with the `text` block that follows it.
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export interface Example {
  code: string
  output: string
}

export const root = resolve(import.meta.dirname, '../..')
/** What the parts of a program print between them. */
export const mark = '── next ──'

/**
 * The documents that are programs: all parts of one together. Those in Python run in python/tests, those for a shell in
 * crates/xbind-cli/tests.
 */
export const programs: string[] = ['README.md', ...guidesWith(/^```ts run$/m)]

/** The guides whose TypeScript wants what is not here: it is compiled, and not run. */
export const compiled: string[] = guidesWith(/^```ts$/m).filter((file) => !programs.includes(file))

function guidesWith(block: RegExp): string[] {
  const files = readdirSync(join(root, 'docs/guides')).map((file) => `docs/guides/${file}`)
  return files.filter((file) => block.test(readFileSync(join(root, file), 'utf8')))
}

/** The blocks of a guide that are marked with that alone. */
export function blocks(document: string, kind: string): string[] {
  const all = readFileSync(join(root, document), 'utf8').matchAll(/^```([^\n]*)\n(.*?)^```$/gms)
  return [...all].filter(([, mark]) => mark === kind).map(([, , code = '']) => code)
}

export function examples(document: string, folder = root): Example[] {
  const blocks = [...readFileSync(join(folder, document), 'utf8').matchAll(/^```([^\n]*)\n(.*?)^```$/gms)]
  return blocks.flatMap(([, kind, code = ''], i) => {
    const [, after, output = ''] = blocks[i + 1] ?? []
    return kind === 'ts run' ? [{ code, output: after === 'text' ? output : '' }] : []
  })
}

export function program(document: string, folder = root): string {
  return examples(document, folder)
    .map(({ code }) => code)
    .join(`console.log('${mark}');\n`)
}

/** What a program must print, part by part. */
export function outputs(document: string, folder = root): RegExp[] {
  return examples(document, folder).map(({ output }) => pattern(output))
}

/** Matches what is written; `…` stands for what differs from run to run. */
export function pattern(text: string): RegExp {
  const parts = text.trim().split('…')
  return new RegExp(`^${parts.map((part) => part.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&')).join('.+')}$`)
}

export const fileOf = (document: string): string => document.replace(/.*\//, '').replace('.md', '').toLowerCase()

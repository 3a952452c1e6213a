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
export const programs: string[] = [
  'README.md',
  ...readdirSync(join(root, 'docs/guides'))
    .map((file) => `docs/guides/${file}`)
    .filter((file) => /^```ts run$/m.test(readFileSync(join(root, file), 'utf8'))),
]

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

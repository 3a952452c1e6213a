import { lines } from './run.mjs'

/**
 * Runs cargo and gives the files that it made, by target; `onArtifact` is told of each. On a terminal cargo draws its own bar; elsewhere a line now and
 * then says how far it is.
 */
export async function compile(what, args, onArtifact) {
  const terminal = process.stderr.isTTY
  const started = Date.now()
  const files = new Map()
  let compiled = 0
  const timer = terminal ? undefined : setInterval(() => report(`${compiled} crates compiled`), 20_000)
  console.error(`Building ${what}`)
  const quiet = terminal ? [] : ['--quiet']
  const code = await lines('cargo', [...args, ...quiet, '--message-format=json-render-diagnostics'], (line) => {
    const message = parse(line)
    if (message?.reason !== 'compiler-artifact') return
    if (!message.fresh) compiled++
    files.set(message.target.name, message.filenames)
    onArtifact?.(message)
  })
  clearInterval(timer)
  if (code !== 0) {
    console.error(`error: ${what} did not build`)
    process.exit(code)
  }
  if (compiled > 0) report('done')
  return files

  function report(progress) {
    console.error(`  ${progress}, ${Math.round((Date.now() - started) / 1000)} s`)
  }
}

/** The addon among the files that cargo made. */
export function libraryOf(files) {
  return files.get('xbind_node')?.find((name) => /\.(so|dylib|dll)$/.test(name))
}

function parse(line) {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

// PyJWT and Java, where this machine has them; a reason is printed where it has not.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Runs a Python program in which PyJWT is installed, with these arguments. */
export const pyjwt = findPyJWT()
/** Runs a Java program of one file with the JDK's own cryptography, with these arguments. */
export const java = findJava()

type Run = (program: string, args: string[]) => string

function findPyJWT(): Run | undefined {
  const target = fileURLToPath(new URL('../../target/pyjwt', import.meta.url))
  const env = { ...process.env, PYTHONPATH: target }
  const python = (...args: string[]) => spawnSync('python3', args, { encoding: 'utf8', env })
  if (python('--version').status !== 0) return missing('tokens are not tried with PyJWT: no python3 here')
  // Older ones know no JWK as text.
  const program = 'import jwt, cryptography; assert tuple(map(int, jwt.__version__.split(".")[:2])) >= (2, 8)'
  const found = () => python('-c', program).status === 0
  if (!found()) {
    mkdirSync(target, { recursive: true })
    const pip = python('-m', 'pip', 'install', '--quiet', '--target', target, 'PyJWT[crypto]')
    if (!found()) return missing(`tokens are not tried with PyJWT: it does not install: ${pip.stderr.trim()}`)
  }
  return (program, args) => execFileSync('python3', ['-c', program, ...args], { encoding: 'utf8', env }).trim()
}

function findJava(): Run | undefined {
  const { status, stderr, error } = spawnSync('java', ['--version'], { encoding: 'utf8' })
  if (status !== 0) return missing(`tokens are not tried with Java: ${error?.message ?? stderr}`)
  return (program, args) => {
    const file = join(mkdtempSync(join(tmpdir(), 'xbind-java-')), 'Main.java')
    writeFileSync(file, program)
    return execFileSync('java', [file, ...args], { encoding: 'utf8' }).trim()
  }
}

function missing(reason: string): undefined {
  process.stderr.write(`${reason}\n`)
  return undefined
}

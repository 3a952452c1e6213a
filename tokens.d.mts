export * from './tokens.js'

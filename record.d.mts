export * from './record.js'

//! The Node.js face: converts and forwards.

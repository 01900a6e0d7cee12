//! Decrypted chunks of an open index, the recently used ones, within a bound. What leaves the cache
//! is overwritten, unless a reader still holds it.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::wipe::wipe;

/// A chunk's content; readers hold it while they read.
pub(super) type Chunk = Arc<[u8]>;

/// Which chunk: the open file's number, and the chunk's.
pub(super) type ChunkName = (u64, usize);

/// The recently used chunks.
pub(super) struct ChunkCache(Mutex<LruCache<ChunkName, Chunk>>);

impl ChunkCache {
    /// An empty cache of at most `chunks` chunks.
    pub(super) fn new(chunks: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(chunks)))
    }

    /// The chunk, if it is there.
    pub(super) fn get(&self, name: ChunkName) -> Option<Chunk> {
        self.lock().get(&name).cloned()
    }

    /// Keeps a chunk, in the place of the one that was not used for longest.
    pub(super) fn keep(&self, name: ChunkName, chunk: Chunk) {
        let evicted = self.lock().push(name, chunk);
        evicted.into_iter().for_each(|(_, chunk)| overwrite(chunk));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<ChunkName, Chunk>> {
        // A cache is right whatever happened to whoever held it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ChunkCache {
    fn drop(&mut self) {
        let mut chunks = self.lock();
        while let Some((_, chunk)) = chunks.pop_lru() {
            overwrite(chunk);
        }
    }
}

fn overwrite(mut chunk: Chunk) {
    if let Some(octets) = Arc::get_mut(&mut chunk) {
        wipe(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let cache = ChunkCache::new(NonZeroUsize::new(2).unwrap());
        cache.keep((0, 0), Arc::from([0; 4]));
        cache.keep((0, 1), Arc::from([1; 4]));
        assert!(cache.get((0, 0)).is_some());
        cache.keep((1, 0), Arc::from([2; 4]));
        assert!(cache.get((0, 1)).is_none());
        assert_eq!(cache.get((0, 0)).as_deref(), Some([0; 4].as_slice()));
    }

    #[test]
    fn a_reader_keeps_what_it_holds() {
        let cache = ChunkCache::new(NonZeroUsize::MIN);
        let held: Chunk = Arc::from([7; 4]);
        cache.keep((0, 0), held.clone());
        cache.keep((0, 1), Arc::from([8; 4]));
        drop(cache);
        assert_eq!(*held, [7; 4]);
    }
}

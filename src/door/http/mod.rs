//! The HTTP door: health, the log page, raw messages.

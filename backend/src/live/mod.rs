//! The live link: one socket per browser, views, differences, credits.

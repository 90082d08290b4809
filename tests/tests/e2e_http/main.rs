//! Services of HTTP, with real clients and an application that says what it was asked. One program: each scene waits for most of
//! its time for the kernel to verify the packet program, and two can do so at once.

mod bodies;
mod browser;
mod cookie_form;
mod cookies;
mod curl;
mod explain;
mod framing;
mod fuzz;
mod groups;
mod h2;
mod known_by;
mod limits;
mod loads;
mod nodes;
mod paths;
mod policies;
mod proxy_protocol;
mod take_over;
mod tls;
mod users;
mod websocket;

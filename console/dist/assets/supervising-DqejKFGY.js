import{a0 as s,s as a,a7 as e}from"./index-BUoY1JDP.js";const o=s({call:"",seat:"",mode:""}),c=()=>{Object.assign(o,{call:"",seat:"",mode:""})};a(()=>e.role,c);export{c,o as s};

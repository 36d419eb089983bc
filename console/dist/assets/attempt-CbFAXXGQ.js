import{m as r}from"./index-BUoY1JDP.js";function s(){const t=r("");return{problem:t,attempt:async e=>{t.value="";try{await e()}catch(a){t.value=a.message}}}}export{s as u};
